package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/storetest/pgtest"
	"switchboard/workers/broker"
)

// A test that kills a worker runs this binary again as one.
const (
	childDatabase = "SWITCHBOARD_TEST_WORKER_DATABASE"
	childRedis    = "SWITCHBOARD_TEST_WORKER_REDIS"    // address
	childPassword = "SWITCHBOARD_TEST_WORKER_PASSWORD" // of Redis
	childHolds    = "SWITCHBOARD_TEST_WORKER_HOLDS"    // messages with this subject are held for ever
	childFolder   = "SWITCHBOARD_TEST_WORKER_FOLDER"   // where an embedded house is, instead of the first three
	childAttempts = 3
	childGroup    = 32 // receipts in a task and in a reading, of an embedded house: its suspects are filed one by one, which takes a disk that others use a second each
)

func TestMain(m *testing.M) {
	if os.Getenv(childDatabase) != "" || os.Getenv(childFolder) != "" {
		if err := childWorker(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(pgtest.Main(m).Run())
}

// childWorker works until it is told to stop. A message with the subject
// "poison" kills it.
func childWorker() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	folder := os.Getenv(childFolder)
	url, redis := os.Getenv(childDatabase), broker.Options{Mode: broker.Single, Addrs: []string{os.Getenv(childRedis)}, Password: os.Getenv(childPassword)}
	if folder != "" {
		url, redis = "sqlite:"+filepath.Join(folder, "books.db"), broker.Options{Mode: broker.Embedded, Dir: folder}
	}
	s, err := store.Open(ctx, store.Options{URL: url})
	if err != nil {
		return err
	}
	defer s.Close()
	b, err := broker.Open(ctx, redis, log)
	if err != nil {
		return err
	}
	defer b.Close()
	client := asynq.NewClient(b.AsynqOpt())
	defer client.Close()
	set := DefaultSettings()
	set.Attempts = childAttempts
	if folder != "" {
		set.TaskGroup, set.ReadGroup = childGroup, childGroup
	}
	d := NewDispatch(client, nil, time.Now, log, set)
	defer d.Stop()
	holds := os.Getenv(childHolds)
	trap := pipeline.Stage{Name: "trap", Doc: "Kills the process, or holds it.", Run: func(ctx context.Context, p *pipeline.Pass) error {
		switch subject := p.Draft.Subject; {
		case strings.Contains(subject, "poison"):
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				return err
			}
			select {}
		case strings.Contains(subject, "panic"):
			panic("a stage that panics")
		case holds != "" && subject == holds:
			fmt.Println("HOLDING")
			select {}
		}
		return nil
	}}
	var j *Journal
	if folder != "" {
		if j, err = OpenJournal(filepath.Join(folder, "in-hand"), time.Now, log); err != nil {
			return err
		}
		defer j.Close()
	}
	p := NewPressure(s, nil, nil, time.Now, log, set)
	i := NewIntake(Parts{Books: s, Policy: policy, Line: &pipeline.Line{Stages: append([]pipeline.Stage{trap}, pipeline.Standard()...)},
		Dispatch: d, Pressure: p, Journal: j, Now: time.Now, Log: log, Settings: set,
		View: func(ctx context.Context, ds []*desk.Draft) (pipeline.Books, error) { return s.View(ctx, ds) }})
	defer i.Stop()
	go p.Run(ctx)
	srv := NewServer(i, b.AsynqOpt(), s, time.Now, log, set)
	srv.Carry(NewDelivery(DeliveryParts{Books: s, Dispatch: d, Now: time.Now, Log: log, Settings: DefaultDelivery(), Senders: func(string) Sender {
		return probes{func(r *desk.Reply) (desk.Proof, error) {
			if holds != "" && r.Message.Text == holds {
				fmt.Println("SENDING")
				select {}
			}
			return desk.Proof{ExternalID: "sent"}, nil
		}, func(*desk.Reply) (desk.Proof, bool, error) { return desk.Proof{ExternalID: "probed"}, true, nil }}
	}}))
	if b.Own() {
		if err := errors.Join(srv.Resume(ctx), srv.Requeue(ctx)); err != nil {
			return err
		}
	}
	return srv.Run(ctx)
}
