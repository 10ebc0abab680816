package channels

import "io"

// Passed says that n bytes which were read from a request's body are not in memory
// any more: they are in a blob, or nowhere. What of a request is in memory counts
// against limits.pendingBytes as it is read; a door that lets a file through says
// so as it goes. A body that is not counted does not mind.
func Passed(body io.Reader, n int) {
	if b, counted := body.(interface{ Passed(n int) }); counted && n > 0 {
		b.Passed(n)
	}
}
