package store

import (
	"slices"
	"strings"
	"testing"

	"switchboard/store/storetest/pgtest"
)

func TestListsOfStringsArriveWhole(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: pgtest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, list := range [][]string{{}, {""}, {"a", `b "c", {d}`, "NULL", "", "日本 \n\\"}, slices.Repeat([]string{strings.Repeat("x", 5000)}, 300)} {
		var got []string
		if err := s.read(t.Context()).Raw("SELECT v FROM unnest(?::text[]) WITH ORDINALITY AS l(v, n) ORDER BY n", &list).Scan(&got).Error; err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, list) {
			t.Errorf("%d strings came back as %d: %.100q", len(list), len(got), got)
		}
	}
}
