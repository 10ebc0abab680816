package programtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"switchboard/workers/broker/program/programtest"
)

// recorder stands in for the test that asks for a program.
type recorder struct {
	testing.TB
	said    string
	skipped bool
	failed  bool
}

func (r *recorder) Helper() {}
func (r *recorder) Skipf(format string, args ...any) {
	r.said, r.skipped = fmt.Sprintf(format, args...), true
	runtime.Goexit()
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.said, r.failed = fmt.Sprintf(format, args...), true
	runtime.Goexit()
}

func ask(t *testing.T, name string) *recorder {
	r, done := &recorder{TB: t}, make(chan struct{})
	go func() {
		defer close(done)
		programtest.Need(r, name, "some-package")
	}()
	<-done
	return r
}

func TestNeed(t *testing.T) {
	t.Setenv(programtest.Required, "")
	if r := ask(t, "no-such-program"); !r.skipped || r.failed || !strings.Contains(r.said, "some-package") {
		t.Errorf("not required: %+v", r)
	}
	t.Setenv(programtest.Required, "1")
	if r := ask(t, "no-such-program"); r.skipped || !r.failed {
		t.Errorf("required: %+v", r)
	}
	if r := ask(t, "sh"); r.skipped || r.failed {
		t.Errorf("present: %+v", r)
	}
}

func TestFolder(t *testing.T) {
	var dir string
	t.Run("inner test with a name that would make the path of a socket in t.TempDir far too long", func(t *testing.T) {
		dir = programtest.Folder(t)
		if len(dir) > 50 {
			t.Errorf("%q is %d bytes long", dir, len(dir))
		}
		if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder outlived its test: %v", err)
	}
}
