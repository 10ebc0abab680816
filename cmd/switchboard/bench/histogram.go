package bench

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// histogram is one of Prometheus's, read from a role's /metrics: how many
// observations lie at or below each bound, in seconds. It has no more detail
// than its bounds.
type histogram map[float64]float64

// lag sums the roles' histograms of the time from acceptance to commit.
func (f *fleet) lag(ctx context.Context) (histogram, error) {
	sum := histogram{}
	for _, at := range f.ops {
		text, err := fetch(ctx, "http://"+at+"/metrics")
		if err != nil {
			return nil, err
		}
		for bound, n := range parseHistogram(text, "switchboard_lag_seconds") {
			sum[bound] += n
		}
	}
	return sum, nil
}

// parseHistogram reads the buckets of a metric over all its labels from the text
// format (Prometheus, "Exposition formats").
func parseHistogram(text []byte, name string) histogram {
	h := histogram{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		labels, ok := strings.CutPrefix(lines.Text(), name+"_bucket{")
		if !ok {
			continue
		}
		_, rest, ok := strings.Cut(labels, `le="`)
		if !ok {
			continue
		}
		le, _, _ := strings.Cut(rest, `"`)
		bound, err := strconv.ParseFloat(strings.Replace(le, "+Inf", "inf", 1), 64)
		value, err2 := strconv.ParseFloat(labels[strings.LastIndexByte(labels, ' ')+1:], 64)
		if cmp.Or(err, err2) == nil {
			h[bound] += value
		}
	}
	return h
}

// minus is what was observed since an earlier reading.
func (h histogram) minus(earlier histogram) histogram {
	out := maps.Clone(h)
	for bound, n := range earlier {
		out[bound] -= n
	}
	return out
}

// quantile places a share q within its bucket, in proportion; 0 when there is
// nothing. Above the last bound it is that bound.
func (h histogram) quantile(q float64) float64 {
	bounds := sortedKeys(h)
	if len(bounds) == 0 || h[bounds[len(bounds)-1]] == 0 {
		return 0
	}
	want := q * h[bounds[len(bounds)-1]]
	lower, below := 0.0, 0.0
	for _, b := range bounds {
		if h[b] >= want {
			if math.IsInf(b, 1) {
				return lower
			}
			return lower + (b-lower)*(want-below)/max(h[b]-below, 1)
		}
		lower, below = b, h[b]
	}
	return lower
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
