package store

import (
	"encoding/base64"
	"strings"

	"switchboard/pipeline/desk"
)

// A cursor names the last item of a page by its ID, so that the next page
// starts behind it however many rows came or went in between. The prefix keeps
// foreign strings out; clients must not read it.
const cursorPrefix = "after:"

func makeCursor(id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + id))
}

// openCursor returns the ID in a cursor, "" for the empty one.
func openCursor(c string) (string, error) {
	if c == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(c)
	id, ok := strings.CutPrefix(string(b), cursorPrefix)
	if err != nil || !ok || !desk.IsID(id) {
		return "", desk.Invalidf("cursor", "is not the next of an earlier page")
	}
	return id, nil
}
