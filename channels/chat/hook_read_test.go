package chat

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A body is read to its end, whatever was said about its length and in whatever
// pieces it comes.
func TestReadAll(t *testing.T) {
	torn := errors.New("torn")
	for _, text := range []string{"", "a", strings.Repeat("words ", 500), strings.Repeat("x", readAhead+1)} {
		for _, length := range []int64{-1, 0, 1, int64(len(text)) - 1, int64(len(text)), int64(len(text)) + 7, readAhead, readAhead + 1} {
			for name, r := range map[string]io.Reader{
				"at once":          strings.NewReader(text),
				"byte by byte":     iotest.OneByteReader(strings.NewReader(text)),
				"end with the end": iotest.DataErrReader(strings.NewReader(text)),
			} {
				if got, err := readAll(r, length); err != nil || string(got) != text {
					t.Errorf("%s, %d bytes said to be %d: got %d, %v", name, len(text), length, len(got), err)
				}
			}
			got, err := readAll(io.MultiReader(strings.NewReader(text), iotest.ErrReader(torn)), length)
			if !errors.Is(err, torn) || string(got) != text {
				t.Errorf("torn after %d bytes said to be %d: got %d, %v", len(text), length, len(got), err)
			}
		}
	}
}
