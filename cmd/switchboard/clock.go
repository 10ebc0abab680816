//go:build !chaos

package main

import "time"

// clock is what the time is.
func clock() func() time.Time { return time.Now }
