package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// seats bounds how many processes read mailboxes on one data folder under a
// name that lasts.
const seats = 64

// seat names this process for the leases of mailboxes. The name stands in a file
// of the data folder which the process keeps locked: when it is killed, the
// kernel frees the file, and the process started in its place has the same name
// and therefore its leases at once, not when they run out. Two processes never
// share a name, and the host is part of it in case they share a folder. Where
// files cannot be locked the name is a new one each time.
func seat(dir string) (name string, leave func()) {
	host, _ := os.Hostname()
	for n := range seats {
		file, free, err := lockFile(filepath.Join(dir, fmt.Sprintf("listen-%d.lock", n)))
		if err != nil {
			break
		}
		if !free {
			continue
		}
		word, err := seatWord(file)
		if err != nil {
			file.Close()
			break
		}
		return fmt.Sprintf("%s/%d/%s", host, n, word), func() { file.Close() }
	}
	return host + "/" + rand.Text(), func() {}
}

// seatWord reads the random word of a seat, and makes one when there is none
// yet.
func seatWord(file *os.File) (string, error) {
	word := rand.Text()
	had, err := io.ReadAll(io.LimitReader(file, int64(len(word))))
	if err != nil || len(had) == len(word) {
		return string(had), err
	}
	_, err = file.WriteAt([]byte(word), 0)
	return word, err
}
