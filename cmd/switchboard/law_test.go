package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// law is the import graph as policy. Each line reads "package: what of ours it
// may import"; a package without a line fails the test, so a new room has to be
// argued for here. Everyone speaks desk; nobody speaks to a neighbour; cmd
// introduces them.
const law = `
pipeline/hours:
pipeline/match:
pipeline/desk:          pipeline/hours pipeline/match
pipeline:               pipeline/desk pipeline/hours pipeline/match

configs:                pipeline/desk pipeline/hours pipeline/match

store/blob:             pipeline/desk
store:                  pipeline/desk

channels:               pipeline/desk
channels/limit:
channels/api:           channels channels/limit pipeline/desk
channels/inbox/gate:    channels/limit
channels/markup:
channels/chat:          channels channels/email/letter channels/markup pipeline/desk
channels/chat/fakechat:
channels/email/letter:  channels/markup
channels/email/fakesmtp:
channels/email:         channels channels/email/letter channels/markup pipeline/desk
channels/msteams:       channels channels/limit channels/markup pipeline/desk
channels/msteams/faketeams:
channels/slack:         channels channels/markup pipeline/desk
channels/slack/fakeslack:
channels/webform:       channels channels/limit pipeline/desk

workers/broker/program:
workers/broker:         workers/broker/program
workers:                pipeline pipeline/desk

cmd/switchboard:        *
cmd/switchboard/bench:  pipeline/desk workers/broker workers/broker/program

# Rooms only tests may enter: they start real servers and hold suites.
workers/broker/program/programtest: workers/broker/program
workers/broker/brokertest: workers/broker workers/broker/program workers/broker/program/programtest
store/storetest:           store pipeline/desk
store/storetest/pgtest:    workers/broker/program workers/broker/program/programtest
channels/email/emailtest:  workers/broker/program workers/broker/program/programtest
channels/webform/webformtest: workers/broker/program workers/broker/program/programtest
`

const module = "switchboard"

func TestImportLaw(t *testing.T) {
	allowed := map[string][]string{}
	for _, line := range strings.Split(law, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pkg, may, _ := strings.Cut(line, ":")
		allowed[pkg] = strings.Fields(may)
	}
	seen := map[string]bool{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, _ := filepath.Rel(root, name)
		rel = filepath.ToSlash(rel)
		pkg := path.Dir(rel)
		if pkg == "." {
			t.Errorf("%s: no Go file lives at the top", rel)
		}
		seen[pkg] = true
		may, ok := allowed[pkg]
		if !ok {
			t.Errorf("%s: package %s has no line in the law", rel, pkg)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		isTest := strings.HasSuffix(name, "_test.go")
		for _, spec := range f.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			ours, ok := strings.CutPrefix(imp, module+"/")
			if !ok || isTest {
				continue // a test may wire what it likes
			}
			if testRoom(ours) && !testRoom(pkg) {
				t.Errorf("%s imports %s: only tests may enter", rel, ours)
			}
			if !slices.Contains(may, "*") && !slices.Contains(may, ours) {
				t.Errorf("%s imports %s: the law for %s allows only [%s]", rel, ours, pkg, strings.Join(may, " "))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range allowed {
		if !seen[pkg] {
			t.Errorf("the law names %s, which does not exist", pkg)
		}
	}
	if len(seen) < 8 {
		t.Errorf("only %d packages found: the walk is broken", len(seen))
	}
}

// testRoom reports whether a package serves tests only.
func testRoom(pkg string) bool {
	return slices.ContainsFunc(strings.Split(pkg, "/"), func(s string) bool { return strings.HasSuffix(s, "test") })
}
