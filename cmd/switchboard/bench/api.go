package bench

import (
	"context"
	"fmt"
)

// api creates tickets over the API, each filed before it is answered: as fast as
// they are answered, then at half that rate.
func (r *ingest) api(ctx context.Context, f *fleet, s *sent) error {
	key, err := f.key(ctx)
	if err != nil {
		return err
	}
	d, err := r.create(ctx, f, s, key, "api", r.API, 0)
	if err != nil {
		return err
	}
	rate := float64(r.API) / d.took.Seconds()
	r.report.add("api.rate", "POST /v1/tickets, filed before the answer", "tickets/s", rate)
	r.report.add("api.p50", "POST /v1/tickets, saturated, p50", "ms", ms(quantile(d.latency, .5)))
	r.report.add("api.p99", "POST /v1/tickets, saturated, p99", "ms", ms(quantile(d.latency, .99)))
	if r.APIHalf <= 0 {
		return nil
	}
	return r.apiHalf(ctx, f, s, key, rate/2)
}

// apiHalf creates tickets at a rate, on a timetable, from which the answers count.
// A ticket is stored when it is answered, so there is one latency.
func (r *ingest) apiHalf(ctx context.Context, f *fleet, s *sent, key string, rate float64) error {
	if _, err := f.settled(ctx); err != nil {
		return err
	}
	if !sleep(ctx, rest) {
		return ctx.Err()
	}
	d, err := r.create(ctx, f, s, key, "apihalf", max(int(rate*r.APIHalf.Seconds()), 1), rate)
	if err != nil {
		return err
	}
	r.report.add("api.half.rate", "POST /v1/tickets, half load", "tickets/s", rate)
	r.report.add("api.half.p50", "POST /v1/tickets, half load: filed and answered p50", "ms", ms(quantile(d.latency, .5)))
	r.report.add("api.half.p99", "POST /v1/tickets, half load: filed and answered p99", "ms", ms(quantile(d.latency, .99)))
	return nil
}

// create sends n creates; a rate of 0 is as fast as they are answered.
func (r *ingest) create(ctx context.Context, f *fleet, s *sent, key, prefix string, n int, rate float64) (*driven, error) {
	seed, what := uint64(200+r.n), "POST /v1/tickets"
	if rate > 0 {
		seed, what = uint64(300+r.n), what+", half load"
	}
	load, err := apiTraffic(key, fmt.Sprintf("%s%d", prefix, r.n), seed, n)
	if err != nil {
		return nil, err
	}
	return r.send(ctx, f, s, load, rate, r.begin(n, what))
}
