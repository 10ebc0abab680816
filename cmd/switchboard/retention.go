package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"switchboard/configs"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/workers"
)

// retention are the jobs that take away what was kept long enough.
func (h *house) retention() []workers.Job {
	c, holder := h.config.First().Retention, rand.Text()
	set := workers.RetainSettings{Drafts: c.Drafts, Ledger: c.Ledger, Raw: c.Raw, Events: c.Events, Revisions: c.Revisions,
		Orphans: c.Orphans, Every: c.Every, OrphansEvery: c.OrphansEvery, Batch: c.Batch, Pace: workers.Pace{Share: c.Share, Least: c.Pause}}
	return []workers.Job{
		&workers.Retain{Books: h.store, Holder: holder, Now: h.now, Log: h.log, Set: set},
		&workers.Orphans{Books: h.store, Walk: h.orphans(c), Holder: holder, Now: h.now, Log: h.log, Set: set},
	}
}

// orphans removes bytes that no row refers to. It goes by the config its job was made
// with: a reload must not take the grace away while the job still walks.
func (h *house) orphans(c configs.Retention) func(context.Context, time.Time, func() error) (blobs, kept int64, err error) {
	return func(ctx context.Context, began time.Time, held func() error) (blobs, kept int64, err error) {
		o := store.OrphanOptions{Blobs: h.blobs, Began: began, Grace: c.Orphans, Batch: c.Batch, Temp: c.Temp, Held: held,
			Read: workers.Pace{Share: c.ReadShare}.Rest, Delete: workers.Pace{Share: c.Share, Least: c.Pause}.Rest}
		blobs, kept, err = h.store.Orphans(ctx, o, func(ref desk.BlobRef, before time.Time) (bool, error) { return h.blobs.RemoveOld(ctx, ref, before) })
		if err != nil {
			err = fmt.Errorf("bytes without a row (retention.orphans, sorted in retention.temp): %w", err)
		}
		return blobs, kept, err
	}
}

// orphaned is how old bytes without a row are when they go, and the least age of a
// row that loses those it refers to; 0: never.
func orphaned(c configs.Retention) (orphans, freed time.Duration) {
	for _, age := range []time.Duration{c.Drafts, c.Ledger, c.Raw} {
		if age > 0 && (freed == 0 || age < freed) {
			freed = age
		}
	}
	return c.Orphans, freed
}
