package email

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"switchboard/pipeline/desk"
)

// Time passes only while a mail is read.
func TestClockIsPausedByStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, c := startClock(t.Context(), time.Minute)
		for range 3 { // each as long as all of it
			time.Sleep(15 * time.Second)
			resume := c.pause()
			time.Sleep(time.Hour)
			resume()
		}
		if ctx.Err() != nil {
			t.Fatal("storage was counted")
		}
		time.Sleep(14 * time.Second)
		if synctest.Wait(); ctx.Err() != nil {
			t.Fatal("the clock is early")
		}
		time.Sleep(2 * time.Second)
		if synctest.Wait(); ctx.Err() == nil {
			t.Fatal("the clock never ends")
		}
		c.pause()()
		if !c.stop() {
			t.Error("it does not say so")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, c := startClock(t.Context(), time.Minute)
		if c.stop() || ctx.Err() == nil {
			t.Error("it was stopped in time")
		}
	})
}

// slowBlobs take a minute and a half for each.
type slowBlobs struct{}

func (slowBlobs) Put(ctx context.Context, r io.Reader) (desk.BlobRef, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return desk.BlobRef{}, err
	}
	select {
	case <-ctx.Done():
		return desk.BlobRef{}, ctx.Err()
	case <-time.After(parseTime * 3 / 2):
		return desk.Keep(b).Ref, nil
	}
}

func (slowBlobs) Open(context.Context, desk.BlobRef) (io.ReadCloser, error) { panic("not asked for") }

// Slow storage is not the mail's fault: it is read all the same.
func TestSlowStorageIsNotTheMailsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parser{source: desk.Source{Name: "s", Channel: desk.Email}, blobs: slowBlobs{}}
		d, err := p.draft(t.Context(), bytes.NewReader(fileMail(5000)), desk.BlobRef{}, p.keeper(), time.Time{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Attachments) != 1 || d.Attachments[0].Blob.Size != 5000 || len(d.Damage) != 0 {
			t.Errorf("draft %+v", d)
		}
	})
}
