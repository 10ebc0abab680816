package broker

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// embed runs a Redis inside this process, on a loopback port that only a
// holder of its random password can use. With a data folder it writes
// broker.json there, so that a second process on this machine can join.
func embed(options Options, log *slog.Logger) (*local, error) {
	l := &local{about: "embedded Redis in this process (keeps nothing on disk; the ledger fills it again)"}
	var folder *os.File
	if options.Dir != "" {
		var err error
		if folder, err = claim(options.Dir); err != nil {
			return nil, err
		}
	}
	password := newPassword()
	mini := miniredis.NewMiniRedis()
	mini.RequireAuth(password)
	if err := mini.StartAddr("127.0.0.1:0"); err != nil {
		release(folder)
		return nil, fmt.Errorf("embedded Redis: %w", err)
	}
	l.remote = Options{Mode: Embedded, Addrs: []string{mini.Addr()}, Password: password, DB: options.DB, PoolSize: options.PoolSize}
	if folder != nil {
		if err := writeHandover(options.Dir, handover{Addr: mini.Addr(), Password: password, PID: os.Getpid()}); err != nil {
			mini.Close()
			release(folder)
			return nil, err
		}
	}
	stopClock := runClock(mini)
	l.stop = func() error {
		stopClock()
		mini.Close()
		if folder != nil {
			_ = os.Remove(filepath.Join(options.Dir, handoverFile))
			release(folder)
		}
		return nil
	}
	log.Debug("embedded Redis started", "addr", mini.Addr())
	return l, nil
}

// runClock moves miniredis's clock along with ours: by itself it never expires
// a key (miniredis README, "TTLs, key expiration, and time"), so asynq's unique
// locks and heartbeats would stay for ever. The returned function stops the
// clock and returns when it stands still.
func runClock(mini *miniredis.Miniredis) (stop func()) {
	ticker := time.NewTicker(time.Second)
	quit, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		last := time.Now()
		for {
			select {
			case now := <-ticker.C:
				mini.FastForward(now.Sub(last))
				last = now
			case <-quit:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(quit)
		<-stopped
	}
}
