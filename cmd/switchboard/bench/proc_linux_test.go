package bench

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	s, err := parseStat([]byte("42 (a) b) c) S 7 42 42 0 -1 4194304 99 0 0 0 250 50 300 25 20 0 1 0 1140803 3133440 393\n"))
	if err != nil || s.parent != 7 || s.own != 3*time.Second || s.waited != 3250*time.Millisecond {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []string{"", "42 (x) S 7", "42 (x) S a b c d e f g h i j k l m n o p", ")"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestFamily: what a child uses counts, both while it runs and after it ended.
func TestFamily(t *testing.T) {
	m, err := startMeter(part{name: "us", pid: os.Getpid(), family: true})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if err := exec.Command("sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done").Run(); err != nil {
			t.Fatal(err)
		}
		used, err := m.stop()
		if err != nil {
			t.Fatal(err)
		}
		if used["us"].CPU >= 50*time.Millisecond && used["us"].Peak > 1<<20 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", used)
		}
	}
}

func TestGone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := readUsage(cmd.Process.Pid, false); err == nil {
		t.Error("a process that has ended can be read")
	}
}
