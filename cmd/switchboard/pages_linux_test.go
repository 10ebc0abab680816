package main

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// Only what is as in the program's file may be left: what was written to is not in
// any file.
func TestWhatIsAsInTheProgramsFile(t *testing.T) {
	const smaps = `00400000-01d00000 r-xp 00000000 fe:00 12 /opt/switch board
Rss:               17640 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
01d00000-03c67000 r--p 01900000 fe:00 12 /opt/switch board
Rss:                  40 kB
Anonymous:             4 kB
03c67000-03e0e000 rw-p 03867000 fe:00 12 /opt/switch board
Rss:                 988 kB
Anonymous:             0 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 13 /usr/lib/libc.so.6
Rss:                   4 kB
Anonymous:             0 kB
7f0000002000-7f0000003000 r--p 00000000 00:00 0
Rss:                   0 kB
Anonymous:             0 kB
`
	got, err := asInFile(strings.NewReader(smaps), "/opt/switch board")
	if want := []stretch{{0x400000, 0x1d00000, 17640}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %x, %v; want %x", got, err, want)
	}
	if _, err := asInFile(strings.NewReader("here r--p 0 0 0 /opt/x\n"), "/opt/x"); err == nil {
		t.Error("nonsense was read")
	}
}

// The process works on, with less of its file in memory.
func TestTheStartIsLeft(t *testing.T) {
	resident := func() (list []stretch, kb int) {
		program, err := os.Readlink("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		smaps, err := os.Open("/proc/self/smaps")
		if err != nil {
			t.Fatal(err)
		}
		defer smaps.Close()
		if list, err = asInFile(smaps, program); err != nil || len(list) == 0 {
			t.Fatalf("%s is not in memory: %v", program, err)
		}
		for _, s := range list {
			kb += s.resident
		}
		return list, kb
	}
	// All of it is in memory at first, whatever a machine without room did with it.
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	list, _ := resident()
	for _, s := range list {
		if _, err := io.Copy(io.Discard, io.NewSectionReader(memory, int64(s.from), int64(s.to-s.from))); err != nil {
			t.Fatal(err)
		}
	}
	_, before := resident()
	if err := leaveStart(); err != nil {
		t.Fatal(err)
	}
	if _, after := resident(); after > before*3/4 {
		t.Errorf("%d KB of the program are in memory, %d before", after, before)
	}
}
