//go:build !unix

package blob

import "errors"

// Free is not known here.
func (b *Blobs) Free() (free, total uint64, err error) {
	return 0, 0, errors.ErrUnsupported
}
