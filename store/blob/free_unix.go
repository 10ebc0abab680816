//go:build unix

package blob

import (
	"fmt"
	"syscall"
)

// Free returns how many bytes of the folder's file system are free for us, and
// how many it has (statvfs(3): f_bavail and f_blocks).
func (b *Blobs) Free() (free, total uint64, err error) {
	dir, err := b.root.Open(".")
	if err != nil {
		return 0, 0, fmt.Errorf("blob: free: %w", err)
	}
	defer dir.Close()
	var s syscall.Statfs_t
	if err := syscall.Fstatfs(int(dir.Fd()), &s); err != nil {
		return 0, 0, fmt.Errorf("blob: free: %w", err)
	}
	return uint64(s.Bavail) * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}
