package workers

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// newMourner is hands that note whom they bury.
func newMourner(t *testing.T) (h *hands, buried *[]string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b, err := broker.Open(t.Context(), brokertest.Embedded(t), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if h, err = newHands(b.AsynqOpt(), nil, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	buried = new([]string)
	h.bury = func(_ context.Context, w string) error {
		*buried = append(*buried, w)
		return nil
	}
	return h, buried
}

// The promise is that what a killed worker had in hand is on its way again within
// 5 s. The steps to that have these bounds, whatever the machine; a second is left
// for the work itself.
func TestADeadWorkerIsNoticedInTime(t *testing.T) {
	looks := 2 * handsEvery // until one looks, and until it looks again
	elected := handsGone + handsEvery
	if took := max(handsGone, elected) + max(handsGrace, handsSure) + looks; took > 4*time.Second {
		t.Errorf("noticed after %s", took)
	}
	// A worker finds out that nobody sees it before others may take what it sends.
	if unseen := handsGone + handsEvery; unseen > handsGone+handsSure {
		t.Errorf("a worker finds out after %s", unseen)
	}
}

func TestAWorkerIsBuriedOnceAndOnlyWhenSurelyDead(t *testing.T) {
	h, buried := newMourner(t)
	ctx, start := t.Context(), time.Now()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	look := func(after time.Duration, want ...string) {
		t.Helper()
		must(h.client.Set(ctx, handsPrefix+"looks", h.id, 0).Err()) // elected, however slow the machine
		must(h.look(ctx, start.Add(after)))
		if !slices.Equal(*buried, want) {
			t.Fatalf("after %s buried %q, want %q", after, *buried, want)
		}
	}
	must(h.client.SAdd(ctx, handsPrefix+"workers", "dead", "alive").Err())
	must(h.client.MSet(ctx, handsPrefix+"of:dead", "[]", handsPrefix+"of:alive", "[]", handsPrefix+"alive:alive", 1).Err())
	look(0)
	look(handsSure - 1)
	must(h.client.Set(ctx, handsPrefix+"alive:dead", 1, 0).Err()) // it was only slow
	look(handsSure)
	must(h.client.Del(ctx, handsPrefix+"alive:dead").Err())
	look(handsSure + 1)
	must(h.client.Set(ctx, handsPrefix+"looks", "another", 0).Err())
	must(h.look(ctx, start.Add(2*handsSure))) // what others saw since counts for nothing
	look(2*handsSure + 1)
	look(3 * handsSure)
	look(3*handsSure+1, "dead")
	look(4*handsSure, "dead")
}

// A worker that cannot show itself says in the books that it lives, once, and has
// its answers as nobody's from then on.
func TestAWorkerThatCannotBeSeenSaysThatItLives(t *testing.T) {
	h, _ := newMourner(t)
	said := 0
	h.unseen = func(_ context.Context, w string) error {
		if w != h.id {
			t.Errorf("said that %q lives", w)
		}
		said++
		return nil
	}
	if h.holder() != "" {
		t.Error("held before it was shown")
	}
	if err := h.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.shown = h.shown.Add(time.Hour) // however slow the machine
	if h.holder() != h.id {
		t.Error("cannot be seen")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel() // Redis does not answer
	for range 2 {
		if err := h.round(gone); err == nil {
			t.Fatal("was shown")
		}
	}
	if said != 0 {
		t.Error("said so while it is still seen")
	}
	h.shown = time.Now().Add(-handsGone)
	for range 2 { // each time: somebody may have written its name meanwhile
		if err := h.round(gone); err == nil {
			t.Fatal("was shown")
		}
	}
	if said != 2 || h.holder() != "" {
		t.Errorf("said so %d times, holds as %q", said, h.holder())
	}
}

// A worker that was only paused lives on under its name. When it dies after others
// looked for a while, what it was sending then is taken from it as well.
func TestAWorkerThatCameBackIsBuriedAgain(t *testing.T) {
	h, buried := newMourner(t)
	ctx, start := t.Context(), time.Now()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	look := func(by string, after time.Duration) {
		t.Helper()
		must(h.client.Set(ctx, handsPrefix+"looks", by, 0).Err())
		must(h.look(ctx, start.Add(after)))
	}
	must(h.client.SAdd(ctx, handsPrefix+"workers", "paused").Err())
	must(h.client.Set(ctx, handsPrefix+"of:paused", "[]", 0).Err())
	look(h.id, 0)
	look(h.id, handsSure)
	look("another", 2*handsSure) // which sees it come back, and die
	look(h.id, 3*handsSure)
	look(h.id, 4*handsSure)
	if want := []string{"paused", "paused"}; !slices.Equal(*buried, want) {
		t.Errorf("buried %q, want %q", *buried, want)
	}
}

// A worker that could not show yet what it took up, on a machine that is slow, knows it
// all the same: none of it is in nobody's hands.
func TestWhoLooksKnowsItsOwnHands(t *testing.T) {
	h, _ := newMourner(t)
	ctx := t.Context()
	var handed []task
	h.recover = func(_ context.Context, p task, _ bool) error {
		handed = append(handed, p)
		return nil
	}
	client := asynq.NewClientFromRedisClient(h.client)
	now := time.Now()
	mine, lost := taskID(now), taskID(now.Add(1))
	for _, id := range []string{mine, lost} {
		if _, err := client.Enqueue(asynq.NewTask(taskProcess, []byte(`{"receipts":["`+id+`"]}`)), asynq.TaskID(id), asynq.Queue(queueIntake)); err != nil {
			t.Fatal(err)
		}
		if err := h.client.RPopLPush(ctx, "asynq:{"+queueIntake+"}:pending", "asynq:{"+queueIntake+"}:active").Err(); err != nil {
			t.Fatal(err)
		}
	}
	defer h.took(mine)()
	for _, after := range []time.Duration{0, handsGrace} {
		if err := h.client.Set(ctx, handsPrefix+"looks", h.id, 0).Err(); err != nil { // elected, however slow the machine
			t.Fatal(err)
		}
		if err := h.look(ctx, now.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	if len(handed) != 1 || len(handed[0].Receipts) != 1 || string(handed[0].Receipts[0]) != lost {
		t.Errorf("handed on %v, want what is in nobody's hands alone", handed)
	}
}

// A process that slept, alone in its house, looks before it has shown itself again: it
// is not dead by its own word, and what it has in hand is in nobody else's.
func TestWhoLooksIsNotDead(t *testing.T) {
	h, _ := newMourner(t)
	ctx := t.Context()
	var handed []task
	h.recover = func(_ context.Context, p task, _ bool) error {
		handed = append(handed, p)
		return nil
	}
	client := asynq.NewClientFromRedisClient(h.client)
	id := taskID(time.Now())
	if _, err := client.Enqueue(asynq.NewTask(taskProcess, []byte("{}")), asynq.TaskID(id), asynq.Queue(queueIntake)); err != nil {
		t.Fatal(err)
	}
	if err := h.client.RPopLPush(ctx, "asynq:{"+queueIntake+"}:pending", "asynq:{"+queueIntake+"}:active").Err(); err != nil {
		t.Fatal(err)
	}
	defer h.took(id)()
	if err := h.show(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.client.Del(ctx, handsPrefix+"alive:"+h.id).Err(); err != nil {
		t.Fatal(err)
	}
	if err := h.look(ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	if len(handed) > 0 {
		t.Errorf("it handed on what it has in hand: %v", handed)
	}
}
