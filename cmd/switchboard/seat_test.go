package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSeat(t *testing.T) {
	dir := t.TempDir()
	first, leaveFirst := seat(dir)
	second, leaveSecond := seat(dir)
	defer leaveSecond()
	if first == second {
		t.Fatalf("two processes have one name: %s", first)
	}
	leaveFirst() // as the kernel does for a dead process
	again, leaveAgain := seat(dir)
	if again != first {
		t.Errorf("the successor of %s is called %s", first, again)
	}
	leaveAgain()
	if err := os.Truncate(filepath.Join(dir, "listen-0.lock"), 5); err != nil { // killed while it wrote
		t.Fatal(err)
	}
	torn, leaveTorn := seat(dir)
	leaveTorn()
	if whole, leave := seat(dir); whole != torn || len(whole) != len(first) {
		t.Errorf("names after a torn file: %s, then %s", torn, whole)
	} else {
		leave()
	}
	alone, leaveAlone := seat(filepath.Join(dir, "missing"))
	other, leaveOther := seat(filepath.Join(dir, "missing"))
	if alone == other {
		t.Errorf("without a folder both are called %s", alone)
	}
	leaveAlone()
	leaveOther()
}
