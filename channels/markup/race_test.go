//go:build race

package markup

// slow is how much slower everything is under the race detector.
const slow = 10
