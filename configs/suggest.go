package configs

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean returns `; did you mean "x"?` for the known word that looks most
// like the one written, or "" when none is near.
func didYouMean[T ~string](wrong string, known []T) string {
	w := strings.ToLower(wrong)
	best, least := "", min(max(1, len(w)/3)+1, len(w)) // nearer than this
	for _, k := range known {
		if d := distance(w, strings.ToLower(string(k))); d < least {
			best, least = string(k), d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// knownAre lists words for a message: "; known are a, b and c", cut when long.
func knownAre[T ~string](known []T) string {
	if len(known) == 0 {
		return ""
	}
	words := make([]string, 0, len(known))
	for _, k := range known {
		words = append(words, string(k))
	}
	if len(words) > 30 {
		words = append(words[:30], "...")
	}
	return "; known are " + strings.Join(words, ", ")
}

// hint is didYouMean, or else the list of what is known.
func hint[T ~string](wrong string, known []T) string {
	if s := didYouMean(wrong, known); s != "" {
		return s
	}
	return knownAre(known)
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour to make b of a. Words over 64 bytes are far from everything.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var before, last []int
	now := make([]int, len(b)+1)
	for j := range now {
		now[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, now = last, now, make([]int, len(b)+1)
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
	}
	return now[len(b)]
}

// quote shows what was written, shortened.
func quote[T ~string](s T) string {
	r := []rune(string(s))
	if len(r) > 60 {
		return fmt.Sprintf("%q", string(r[:57])+"...")
	}
	return fmt.Sprintf("%q", string(s))
}

// twice calls found for every element whose key was there before; empty keys
// are not compared.
func twice[T any](list []T, key func(T) string, found func(i, first int)) {
	seen := map[string]int{}
	for i, e := range list {
		k := key(e)
		if k == "" {
			continue
		}
		if first, ok := seen[k]; ok {
			found(i, first)
			continue
		}
		seen[k] = i
	}
}

func namesOf[T any, S ~string](list []T, name func(T) S) []S {
	names := make([]S, 0, len(list))
	for _, e := range list {
		if n := name(e); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}
