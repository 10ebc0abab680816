package main

import (
	"context"
	"crypto/rand"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/workers"
)

// retention is the job that takes away what was kept long enough.
func (h *house) retention() *workers.Retain {
	c := h.config.Config().Retention
	return &workers.Retain{Books: h.store, Orphans: h.orphans, Holder: rand.Text(), Log: h.log,
		Set: workers.RetainSettings{Drafts: c.Drafts, Ledger: c.Ledger, Raw: c.Raw, Events: c.Events, Revisions: c.Revisions,
			Orphans: c.Orphans, Every: c.Every, OrphansEvery: c.OrphansEvery, Batch: c.Batch, Pause: c.Pause}}
}

// orphans removes bytes that no row refers to.
func (h *house) orphans(ctx context.Context, began time.Time) (blobs, kept int64, err error) {
	c := h.config.Config().Retention
	return h.store.Orphans(ctx, store.OrphanOptions{Blobs: h.blobs, Began: began, Grace: c.Orphans, Batch: c.Batch, Pause: c.Pause},
		func(ref desk.BlobRef, before time.Time) (bool, error) { return h.blobs.RemoveOld(ctx, ref, before) })
}
