package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"switchboard/cmd/switchboard/bench"
	"switchboard/workers/broker/program/programtest"
)

// benchRun runs `switchboard bench` as its users do and reads its report. It must
// leave no folder behind.
func benchRun(t *testing.T, args ...string) *bench.Report {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.Command("switchboard", append(append([]string{"bench"}, args...), "--json", file)...)
	cmd.Env = append(os.Environ(), "SWITCHBOARD_CONFIG=", "SWITCHBOARD_DATA=")
	var out, bad strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &bad
	if err := cmd.Run(); err != nil {
		t.Fatalf("bench %v: %v\n%s%s", args, err, out.String(), bad.String())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r bench.Report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "GOAL") || !strings.Contains(bad.String(), " s\n") {
		t.Errorf("it printed\n%s\nand\n%s", out.String(), bad.String())
	}
	return &r
}

// taken fails for readings that are missing or not positive.
func taken(t *testing.T, r *bench.Report, names ...string) {
	t.Helper()
	for _, name := range names {
		if r.Medians[name] <= 0 {
			t.Errorf("reading %s is %v", name, r.Medians[name])
		}
	}
}

// TestBenchIngestEmbedded runs the benchmark in CI's size; the figures mean
// nothing, but every message must be filed exactly once for it to end well.
func TestBenchIngestEmbedded(t *testing.T) {
	r := benchRun(t, "ingest", "--embedded", "--count", "300", "--rounds", "2", "--half", "300ms", "--api", "30", "--api-half", "300ms", "--limit", "10m")
	taken(t, r, "noop.rate", "noop.p50", "full.acks", "full.stored", "full.memory.serve", "half.ack.p99", "half.stored.p99", "api.rate", "api.half.rate", "api.half.p50", "api.half.p99", "single.stored")
	for _, round := range r.Rounds {
		if got, want := round.Readings["api.half.rate"], round.Readings["api.rate"]/2; got != want {
			t.Errorf("half of what the API reached is %v, sent were %v", want, got)
		}
	}
	if len(r.Rounds) != 2 || len(r.Goals) != 1 || r.Ratios["stored / asynq no-op"] <= 0 {
		t.Errorf("%+v", r)
	}
}

func TestBenchIngestFleet(t *testing.T) {
	programtest.Need(t, "initdb", "postgresql")
	programtest.Need(t, "redis-server", "redis-server")
	profiles := t.TempDir()
	r := benchRun(t, "ingest", "--cpuprofile", profiles, "--count", "300", "--rounds", "1", "--half", "300ms", "--api", "30", "--api-half", "300ms", "--roles", "web,work,work", "--intake", "fileLanes=3", "--limit", "10m")
	taken(t, r, "noop.rate", "full.stored", "full.memory.web", "full.memory.work2", "half.stored.p50", "half.stored.p99", "api.p99", "api.half.p99", "single.stored",
		"doors.with.acks", "doors.without.acks")
	if len(r.Goals) != 6 {
		t.Errorf("goals %+v", r.Goals)
	}
	for _, name := range []string{"round1-web-0.pprof", "round1-work-1.pprof", "round1-work-2.pprof"} {
		if b, err := os.ReadFile(filepath.Join(profiles, name)); err != nil || !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
			t.Errorf("%s is no profile: %v", name, err)
		}
	}
}

func TestBenchIMAP(t *testing.T) {
	args := []string{"imap", "--count", "60", "--rounds", "1", "--shuffle", "--limit", "10m"}
	t.Run("embedded", func(t *testing.T) {
		r := benchRun(t, append(args, "--embedded", "--peer", "echo rate 7")...)
		taken(t, r, "rate", "cpu.serve", "memory.serve", "threads.made")
		if r.Ratios["threads made / right"] != 1 || r.Medians["peer.rate"] != 7 {
			t.Errorf("%v, %v", r.Ratios, r.Medians)
		}
	})
	t.Run("fleet", func(t *testing.T) {
		programtest.Need(t, "initdb", "postgresql")
		programtest.Need(t, "redis-server", "redis-server")
		r := benchRun(t, append(args, "--workers", "2")...)
		taken(t, r, "rate", "memory.listen", "threads.made")
		if r.Ratios["threads made / right"] != 1 {
			t.Errorf("%v", r.Medians)
		}
	})
}

func TestBenchFlood(t *testing.T) {
	r := benchRun(t, "flood", "--embedded", "--count", "300", "--every", "100ms", "--calm", "1", "--limit", "10m")
	taken(t, r, "flood.acks", "flood.stored", "single.count", "single.worst", "calm.median")
}

// TestBenchStops: a limit ends the run in words, and nothing stays behind.
func TestBenchStops(t *testing.T) {
	cmd := exec.Command("switchboard", "bench", "flood", "--embedded", "--count", "100000", "--limit", "2s")
	dir, err := os.MkdirTemp("/tmp", "sbb")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--limit") {
		t.Errorf("%v: %s", err, out)
	}
	if time.Since(began) > scriptPatience {
		t.Errorf("it took %v", time.Since(began))
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestBenchSeed: what it leaves passes the audit, and again it adds nothing.
func TestBenchSeed(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("switchboard", append(args, "--data", dir)...)
		cmd.Env = append(os.Environ(), "SWITCHBOARD_CONFIG=", "SWITCHBOARD_DATA=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	file := filepath.Join(t.TempDir(), "report.json")
	for range 2 {
		out := run("bench", "seed", "--tickets", "450", "--messages", "2", "--json", file)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r bench.Report
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		taken(t, &r, "rate", "seconds")
		if r.Kind != "seed" || r.Medians["filed"] != 900 || len(r.Medians) != 3 || r.Machine.Cores == 0 || r.Version == "" ||
			!regexp.MustCompile(`(?m)^messages filed +900 `).MatchString(out) || !strings.Contains(out, "450 tickets with 2 messages each: ") {
			t.Errorf("%+v\n%s", r, out)
		}
	}
	if out := run("audit"); !regexp.MustCompile(`(?m)^ok +ticket.messages +450 looked at +0 wrong`).MatchString(out) {
		t.Error(out)
	}
}
