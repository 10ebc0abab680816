//go:build !race

package markup

// slow is how much slower everything is than usual.
const slow = 1
