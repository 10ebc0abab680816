//go:build unix

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"switchboard/store"
)

// audit lets the binary itself check the books, against everything that was sent:
// while the processes run, with no grace, every byte of the blobs read. It
// returns the last line.
func (tr *trial) audit() string {
	t := tr.t
	t.Helper()
	list, lines := tr.acknowledged()
	name := tr.in("acknowledged.jsonl")
	if err := os.WriteFile(name, list, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(tr.ctx, tr.bin, "audit", "--config", tr.in("trial.yaml"), "--data", tr.dir, "--acknowledged", name, "--digest",
		"--grace", "0s", "--strict", "--json", tr.in("audit.json"))
	cmd.Env = tr.env
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("audit: %v\n%s%s", err, out, said.String())
	}
	var result auditResult
	if text, err := os.ReadFile(tr.in("audit.json")); err != nil {
		t.Error(err)
	} else if err := json.Unmarshal(text, &result); err != nil {
		t.Error(err)
	}
	looked := map[string]int64{}
	for _, c := range result.Checks {
		looked[c.Name] = c.Looked
	}
	if looked["acknowledged.kept"] != int64(lines) || looked["blob.digest"] == 0 || looked["ticket.clocks"] == 0 || looked["event.times"] == 0 {
		t.Errorf("the audit looked at too little: %v", looked)
	}
	all := strings.Split(strings.TrimSpace(string(out)), "\n")
	return all[len(all)-1]
}

// acknowledged is everything that was sent, as the audit reads it. A mail counts
// as acknowledged when it was in its folder: the cursor went past it.
func (tr *trial) acknowledged() (list []byte, lines int) {
	var out bytes.Buffer
	write := func(k store.Acknowledged) {
		text, err := json.Marshal(k)
		if err != nil {
			tr.t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", text)
		lines++
	}
	for _, m := range tr.post {
		source, _, _ := strings.Cut(m.user, "@")
		k := store.Acknowledged{Source: source, ExternalID: cmp.Or(m.id, "sha256:"+m.digest)}
		if !m.auto {
			k.Thread = fmt.Sprint("conversation ", m.thread)
		}
		write(k)
	}
	for _, c := range tr.calls {
		for _, a := range c.answers {
			write(store.Acknowledged{Source: "api", ExternalID: "idem:" + string(tr.keyID) + ":" + c.key, Receipt: a.receipt, Ticket: a.ticket})
		}
	}
	return out.Bytes(), lines
}
