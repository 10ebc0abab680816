package configs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"switchboard/pipeline/desk"
)

// Block is a source's own settings as they stand in the file, for the channel
// to decode. The zero Block is an empty one. It satisfies channels.Block, and
// may be decoded any number of times, at the same time too.
type Block struct {
	src  *source
	node *node // nil: not written
	line int   // where the source stands, for what is missing
	col  int
	env  Lookup
	// secrets is a digest of what the files held that are named by file: when this was
	// read: they may be written anew under the same name.
	secrets string
	// undecoded, unless nil, takes what Decode would return: see Check.
	undecoded *[]error
}

// Written reports whether the source has a block at all.
func (b Block) Written() bool { return b.node != nil }

// Decode fills the struct into points to, by its yaml tags, strictly: an
// unknown key, a wrong type, a missing variable or a secret that stands in the
// file is an *[Errors] with line and column. What is not written keeps its
// value, so fill in defaults first.
//
// Understood are the types a config is made of: text, numbers, bool, lists,
// maps, structs, pointers, any, time.Duration ("30s", "7d"), every
// encoding.TextUnmarshaler, and the struct tags min, max and words. An integer
// whose key ends in Bytes may be written "25MB". A string is a secret, to be written ${NAME} or file:PATH, when its field has the tag
// secret:"true" or yaml:",secret", its type is called Secret, or its key ends in
// password, passphrase, secret, token, apiKey or privateKey.
func (b Block) Decode(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("configs: decode into %T: want a pointer to a struct", into)
	}
	if b.node == nil {
		return nil
	}
	d := &decoder{report: &report{src: b.src, root: b.node}, env: b.env, guess: true}
	d.value(b.node, v.Elem(), field{key: "it"})
	err := d.err()
	if err != nil && b.undecoded != nil {
		*b.undecoded = append(*b.undecoded, err)
		return nil
	}
	return err
}

// Check lets a channel look at its settings and returns all that is wrong with
// them at its place in the file: what does not decode, and what the channel says
// of the rest. To the channel, what does not decode looks like what is not
// written; what it says of such a value is left out.
func (b Block) Check(check func(Block) error) error {
	var undecoded []error
	b.undecoded = &undecoded
	err := b.Locate(check(b))
	if len(undecoded) == 0 {
		return err
	}
	places := map[[2]int]bool{}
	for _, e := range undecoded {
		var bad *Errors
		if errors.As(e, &bad) {
			for _, p := range bad.Problems {
				places[[2]int{p.Line, p.Column}] = true
			}
		}
	}
	var said *Errors
	if errors.As(err, &said) {
		err = nil
		rest := slices.DeleteFunc(slices.Clone(said.Problems), func(p Problem) bool { return places[[2]int{p.Line, p.Column}] })
		if len(rest) > 0 {
			err = &Errors{rest}
		}
	}
	return errors.Join(append(undecoded, err)...)
}

// Locate gives every *desk.Invalid of an error its line and column in the file,
// taking its Field as a path of keys inside the block such as "imap.host" or
// "folders[0]". Errors of other kinds come back as they are.
func (b Block) Locate(err error) error {
	var placed *Errors
	invalid := desk.Invalids(err)
	if b.src == nil || len(invalid) == 0 || errors.As(err, &placed) {
		return err
	}
	root := b.node
	if root == nil {
		root = &node{kind: null, line: b.line, col: b.col}
	}
	r := &report{src: b.src, root: root}
	for _, e := range invalid {
		r.path(parsePlace(e.Field), "%s", e.Error())
	}
	return r.err()
}

// Locate is [Block.Locate] for the whole file: a Field is a path from its root, such
// as "operators.accounts[0].password".
func (c *Config) Locate(err error) error { return c.whole.Locate(err) }

// parsePlace reads the form place.String writes.
func parsePlace(s string) place {
	var p place
	for part := range strings.SplitSeq(s, ".") {
		name, rest, _ := strings.Cut(part, "[")
		if name != "" {
			p = append(p, name)
		}
		for index := range strings.SplitSeq(rest, "[") {
			if i, err := strconv.Atoi(strings.TrimSuffix(index, "]")); err == nil && i >= 0 {
				p = append(p, i)
			}
		}
	}
	return p
}

// channelName is how a channel is called in a config: lower case, without
// underscores.
func channelName(c desk.Channel) string {
	return strings.ReplaceAll(strings.ToLower(string(c)), "_", "")
}

// channelNamed finds a channel by its name in any case, with or without
// underscores.
func channelNamed(s string) (desk.Channel, bool) {
	s = strings.ReplaceAll(strings.ToLower(s), "-", "_")
	for _, c := range desk.Channels() {
		if s == channelName(c) || s == strings.ToLower(string(c)) {
			return c, true
		}
	}
	return "", false
}

// decodeNode reads a source: its own keys, and one block under the name of its
// channel, which is kept as it is. The variables in it are looked up now, so
// that a missing one is found with the rest.
func (s *Source) decodeNode(d *decoder, n *node, f field) {
	if n.kind != mapping {
		d.mismatch(n, "a source", "a mapping (key: value)")
		return
	}
	own := *n
	own.entries = nil
	var blocks []entry
	for _, e := range n.entries {
		if _, ok := channelNamed(e.key); ok {
			blocks = append(blocks, e)
			continue
		}
		own.entries = append(own.entries, e)
	}
	s.Block = Block{src: d.src, line: n.line, col: n.col, env: d.env}
	plain := struct {
		Name      string      `yaml:"name"`
		Channel   string      `yaml:"channel"`
		Separate  bool        `yaml:"separate"`
		Queue     string      `yaml:"queue" words:"normal,urgent,bulk"`
		Team      desk.TeamID `yaml:"team"`
		Addresses []string    `yaml:"addresses"`
	}{}
	d.structure(&own, reflect.ValueOf(&plain).Elem(), field{key: "a source"})
	s.Name, s.Separate, s.Team, s.Queue, s.Addresses = plain.Name, plain.Separate, plain.Team, plain.Queue, plain.Addresses
	if e := own.entry("channel"); e != nil && plain.Channel != "" {
		c, ok := channelNamed(plain.Channel)
		if !ok {
			d.node(e.value, "there is no channel %s%s", quote(plain.Channel), hint(plain.Channel, channelNames()))
		}
		s.Channel = c
	}
	for _, e := range blocks {
		c, _ := channelNamed(e.key)
		switch {
		case s.Channel == "": // reported above, or missing
		case c != s.Channel:
			d.at(e.line, e.col, "a source of the channel %[1]s has its settings under the key %[1]q, not %[2]q", channelName(s.Channel), e.key)
		case e.value.kind != mapping && e.value.kind != null:
			d.mismatch(e.value, e.key, "a mapping (key: value)")
		case s.Block.node != nil:
			d.at(e.line, e.col, "the settings of the channel are written twice")
		default:
			d.variables(e.value)
			s.Block.node, s.Block.secrets = e.value, d.secretsOf(e.value)
			if e.value.kind == null {
				s.Block.node = &node{kind: mapping, line: e.line, col: e.col}
			}
		}
	}
}

// variables looks up every ${NAME} in a tree.
func (d *decoder) variables(n *node) {
	d.expand(n)
	for _, item := range n.items {
		d.variables(item)
	}
	for _, e := range n.entries {
		d.variables(e.value)
	}
}

// secretsOf digests what the files hold that a tree names by file:. What is wrong with
// one is for who decodes it.
func (d *decoder) secretsOf(n *node) string {
	aside := &decoder{report: &report{src: d.src, root: n}, env: d.env}
	sum := sha256.New()
	var read func(*node)
	read = func(n *node) {
		if n.kind == text && strings.HasPrefix(n.text, "file:") {
			path, _, _ := aside.expand(n)
			held, _ := aside.secretFile(n, "", strings.TrimPrefix(path, "file:"))
			fmt.Fprintf(sum, "%q", held)
		}
		for _, item := range n.items {
			read(item)
		}
		for _, e := range n.entries {
			read(e.value)
		}
	}
	read(n)
	return string(sum.Sum(nil))
}

func channelNames() []string {
	var names []string
	for _, c := range desk.Channels() {
		names = append(names, channelName(c))
	}
	return names
}

// sameNode compares two blocks as written.
func sameNode(a, b *node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.kind == b.kind && a.text == b.text && slices.EqualFunc(a.items, b.items, sameNode) &&
		slices.EqualFunc(a.entries, b.entries, func(x, y entry) bool { return x.key == y.key && sameNode(x.value, y.value) })
}
