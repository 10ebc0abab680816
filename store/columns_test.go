package store

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"switchboard/store/storetest/pgtest"
)

func TestListsArriveWhole(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: pgtest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, list := range [][]string{{}, {""}, {"a", `b "c", {d}`, "NULL", "", "日本 \n\\"}, slices.Repeat([]string{strings.Repeat("x", 5000)}, 300)} {
		arrives(t, s, "text", list)
	}
	text, at := "a", time.Date(1912, 6, 23, 1, 2, 3, 4000, time.UTC)
	arrives(t, s, "text", []*string{nil, &text, nil})
	arrives(t, s, "bytea", [][]byte{{}, {0, 255}, nil, []byte(strings.Repeat("y", 3000))})
	arrives(t, s, "bigint", []int{0, -1, 1 << 62})
	arrives(t, s, "bigint", []int64{-1 << 63, 1<<63 - 1})
	arrives(t, s, "boolean", []bool{true, false})
	arrives(t, s, "timestamptz", []time.Time{at, {}, time.Date(2999, 1, 1, 0, 0, 0, 999_999_000, time.UTC)})
	arrives(t, s, "timestamptz", []*time.Time{nil, &at})
}

// arrives sends a list, alone and with room for it announced, and compares what
// the database has.
func arrives[T any](t *testing.T, s *Store, kind string, list []T) {
	t.Helper()
	for _, room := range []int{-1, 0, 1, 1 << 20} {
		param := any(&list)
		if room >= 0 {
			l := &load{bytes: room}
			param = l.under(param)
			defer l.unload()
		}
		rows, err := s.read(t.Context()).Raw(fmt.Sprintf("SELECT v FROM unnest(?::%s[]) WITH ORDINALITY AS l(v, n) ORDER BY n", kind), param).Rows()
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		got := []T{}
		for rows.Next() {
			var v T
			if err := rows.Scan(&v); err != nil {
				t.Fatal(err)
			}
			if at, ok := any(&v).(*time.Time); ok {
				*at = at.UTC()
			}
			if at, ok := any(v).(*time.Time); ok && at != nil {
				*at = at.UTC()
			}
			got = append(got, v)
		}
		if rows.Err() != nil || !reflect.DeepEqual(got, list) {
			t.Errorf("%d of %s came back as %d: %.100v: %v", len(list), kind, len(got), got, rows.Err())
		}
	}
}

// TestListsLikePgx compares the bytes with those of pgx's own plan.
func TestListsLikePgx(t *testing.T) {
	text, at := "ä", time.Date(1912, 6, 23, 1, 2, 3, 4000, time.UTC)
	for _, c := range []struct {
		array, element uint32
		list           any
	}{
		{pgtype.TextArrayOID, pgtype.TextOID, &[]string{"", "b"}}, {pgtype.TextArrayOID, pgtype.TextOID, &[]*string{nil, &text}},
		{pgtype.ByteaArrayOID, pgtype.ByteaOID, &[][]byte{nil, {}, {1, 0}}},
		{pgtype.Int8ArrayOID, pgtype.Int8OID, &[]int{-5}}, {pgtype.Int8ArrayOID, pgtype.Int8OID, &[]int64{7, 1 << 40}},
		{pgtype.BoolArrayOID, pgtype.BoolOID, &[]bool{true, false}},
		{pgtype.TimestamptzArrayOID, pgtype.TimestamptzOID, &[]time.Time{at, {}}}, {pgtype.TimestamptzArrayOID, pgtype.TimestamptzOID, &[]*time.Time{&at, nil}},
	} {
		m := pgtype.NewMap()
		known, _ := m.TypeForOID(c.array)
		plain := known.Codec.(*pgtype.ArrayCodec)
		want, err := m.Encode(c.array, pgtype.BinaryFormatCode, c.list, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := columnCodec{plain, c.element}.PlanEncode(m, c.array, pgtype.BinaryFormatCode, c.list).Encode(c.list, nil)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%T: %x, pgx has %x (%v)", c.list, got, want, err)
		}
	}
}

// TestListsKeepApart: the memory of one statement's lists is never that of
// another's while either needs it, however short they are.
func TestListsKeepApart(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: pgtest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if small := (&load{bytes: 10}).room(nil); cap(small) <= 256 {
		t.Errorf("pgx goes on using a buffer of %d bytes", cap(small))
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := range 300 {
				want := fmt.Sprintf("worker %d, statement %d", worker, n)
				lists, done := spacious([]any{&[]string{want}})
				var got, echo string
				err := s.read(t.Context()).Raw("SELECT v FROM unnest(?::text[]) AS l(v)", lists...).Row().Scan(&got)
				done()
				if err == nil {
					err = s.read(t.Context()).Raw("SELECT ?::text", want).Row().Scan(&echo)
				}
				if err != nil || got != want || echo != want {
					t.Errorf("%q came back as %q and %q: %v", want, got, echo, err)
					return
				}
			}
		})
	}
	all.Wait()
}
