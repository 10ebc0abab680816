//go:build race

package workers

// slower is how much longer work takes under the race detector.
const slower = 4
