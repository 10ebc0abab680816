package configs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	variable     = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)
	lonely       = regexp.MustCompile(`^\$\{[A-Za-z_][A-Za-z0-9_]*\}$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// maxSecret is the largest file a secret is read from, in bytes.
const maxSecret = 64 << 10

// Lookup finds an environment variable, as os.LookupEnv does.
type Lookup = func(name string) (string, bool)

// expand replaces every ${NAME} of a scalar by the variable and "$${" by "${".
// changed reports whether there was one. A name that is not set is a problem at
// its own place inside the value.
func (d *decoder) expand(n *node) (out string, changed, ok bool) {
	if n.kind != text || !strings.Contains(n.text, "${") {
		return n.text, false, true
	}
	var b strings.Builder
	ok = true
	wrong := func(rest, format string, args ...any) {
		line, column := d.src.inside(n, utf8.RuneCountInString(n.text[:len(n.text)-len(rest)]))
		d.at(line, column, format, args...)
		ok = false
	}
	for rest := n.text; rest != ""; {
		i := strings.Index(rest, "${")
		if i < 0 {
			b.WriteString(rest)
			break
		}
		if i > 0 && rest[i-1] == '$' {
			b.WriteString(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		b.WriteString(rest[:i])
		rest = rest[i:]
		name, after, closed := strings.Cut(rest[2:], "}")
		switch {
		case !closed:
			wrong(rest, "${ is never closed by a }; a plain ${ is written $${")
			return "", true, false
		case !variableName.MatchString(name):
			wrong(rest, "%s is not the name of an environment variable; a plain ${ is written $${", quote(name))
		default:
			v, set := d.env(name)
			if !set {
				wrong(rest, "the environment variable %s is not set", name)
			}
			b.WriteString(v)
			changed = true
		}
		rest = after
	}
	return b.String(), changed, ok
}

// secret reads a value that may not stand in the file. An empty one is none.
func (d *decoder) secret(n *node, key string) (string, bool) {
	if n.kind == text && n.text == "" {
		return "", true
	}
	if n.kind == list || n.kind == mapping {
		d.mismatch(n, key, "a secret: ${NAME} or file:PATH")
		return "", false
	}
	if !lonely.MatchString(n.text) && !strings.HasPrefix(n.text, "file:") {
		d.node(n, "%s is a secret and must not stand in this file; write ${NAME} or file:PATH", key)
		return "", false
	}
	value, _, ok := d.expand(n)
	if !ok {
		return "", false
	}
	if strings.HasPrefix(n.text, "file:") {
		return d.secretFile(n, key, strings.TrimPrefix(value, "file:"))
	}
	if value == "" {
		return d.emptyVariable(n)
	}
	return value, true
}

// url reads an address whose password may not stand in the file.
func (d *decoder) url(n *node, key string) (string, bool) {
	if n.kind != text {
		d.mismatch(n, key, "a text")
		return "", false
	}
	if strings.HasPrefix(n.text, "file:") {
		return d.secret(n, key)
	}
	if literalPassword(n.text) {
		d.node(n, "%s holds a password, which must not stand in this file; write ${NAME} in its place, or the whole as ${NAME} or file:PATH", key)
		return "", false
	}
	value, _, ok := d.expand(n)
	if ok && value == "" && lonely.MatchString(n.text) { // or a fleet's process would quietly have books of its own
		return d.emptyVariable(n)
	}
	return value, ok
}

func (d *decoder) emptyVariable(n *node) (string, bool) {
	d.node(n, "the environment variable %s is empty", strings.Trim(n.text, "${}"))
	return "", false
}

// secretFile reads a secret from a file, without the line end editors add. A
// relative path starts at the config file's folder.
func (d *decoder) secretFile(n *node, key, path string) (string, bool) {
	wrong := func(why string) (string, bool) {
		d.node(n, "%s: the file %s %s", key, quote(path), why)
		return "", false
	}
	if path == "" {
		d.node(n, "%s: file: must be followed by a path", key)
		return "", false
	}
	full := path
	if !filepath.IsAbs(full) {
		full = filepath.Join(filepath.Dir(d.src.file), full)
	}
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return wrong("does not exist")
	case errors.Is(err, fs.ErrPermission):
		return wrong("may not be read")
	case err != nil:
		return wrong("cannot be read")
	case !info.Mode().IsRegular():
		return wrong("is not a plain file")
	case info.Size() > maxSecret:
		return wrong("is too large for a secret")
	}
	f, err := os.Open(full)
	if err != nil {
		return wrong("may not be read")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret))
	value := strings.TrimRight(string(data), "\r\n")
	switch {
	case err != nil:
		return wrong("cannot be read")
	case value == "":
		return wrong("is empty")
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return wrong("is not text")
	}
	return value, true
}
