package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
)

// listTail is how much of the end of a list is looked at for its last line.
const listTail = 1 << 20

// listNow is a list of lines as it is now, without a line that is being written: what
// is acknowledged while the audit runs is in no snapshot that began before.
func listNow(f *os.File) (io.Reader, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return f, err
	}
	size := info.Size()
	tail := make([]byte, min(size, listTail))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	if last := tail[bytes.LastIndexByte(tail, '\n')+1:]; !json.Valid(last) {
		size -= int64(len(last))
	}
	return io.NewSectionReader(f, 0, size), nil
}
