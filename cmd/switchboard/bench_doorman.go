package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline/desk"
)

// benchDoormanCmd answers at the doors of the config's chat sources and puts
// each message into Redis as a task, without a ledger: what an ack costs when
// nothing is promised. Only the benchmark runs it; nobody takes the tasks.
type benchDoormanCmd struct {
	place
	Addr string `help:"Where to listen for HTTP." required:"" placeholder:"HOST:PORT"`
}

func (c *benchDoormanCmd) Run(ctx context.Context, s streams) error {
	return role(ctx, c.place, s, part{run: func(ctx context.Context, h *house) error {
		opened, err := h.openSources(forgetful{h.client})
		if err != nil {
			return err
		}
		rest := http.NewServeMux()
		rest.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
		handler, err := opened.mount(rest)
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", c.Addr)
		if err != nil {
			return err
		}
		return h.serveHTTP(ctx, l, handler)
	}})
}

// forgetful is a sink that promises nothing.
type forgetful struct{ client *asynq.Client }

// Submit puts each draft into Redis, whole.
func (f forgetful) Submit(ctx context.Context, _ *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error) {
	ids := make([]desk.ReceiptID, len(drafts))
	for i, d := range drafts {
		if d.Source == "" || d.ExternalID == "" {
			return nil, desk.Permanent(errors.New("bench: draft without source or external ID"))
		}
		payload, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		for _, k := range d.Kept { // the ledger would keep the bytes too
			payload = append(append(payload, 0), k.Bytes...)
		}
		ids[i] = desk.NewID[desk.ReceiptID](time.Now())
		task := asynq.NewTask("bench:draft", payload)
		if _, err := f.client.EnqueueContext(ctx, task, asynq.Queue("bench"), asynq.MaxRetry(10), asynq.Timeout(2*time.Minute)); err != nil {
			return nil, fmt.Errorf("bench: enqueue: %w: %w", err, desk.ErrUnavailable)
		}
	}
	return ids, nil
}
