package configs

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Load reads the config file at path; an empty path gives [Default]. env looks
// up the variables of ${NAME}; nil means the environment of the process. What
// is wrong in the file is an *[Errors] that names all of it.
func Load(path string, env Lookup) (*Config, error) {
	if path == "" {
		return Default(), nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configs: %w", err)
	}
	return Parse(path, data, env)
}

// Parse reads a config from memory. name is the file's name in messages and
// the start of relative file: paths. It is safe for any bytes.
func Parse(name string, data []byte, env Lookup) (*Config, error) {
	c, err := read(name, data, env)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Inspect is [Load] for somebody who wants to know all that is wrong: beside an
// *[Errors] it returns what could be read, so that the channels can look at
// their own blocks too. Such a Config has no policy and must not be run.
func Inspect(path string, env Lookup) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configs: %w", err)
	}
	return read(path, data, env)
}

// read returns what could be read, and what is wrong. The Config is nil only
// when the text is no YAML at all.
func read(name string, data []byte, env Lookup) (*Config, error) {
	if env == nil {
		env = os.LookupEnv
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(data), "\uFEFF"), "\r\n", "\n")
	r := &report{src: newSource(name, text)}
	if at := invalid(text); at >= 0 {
		line, column := r.src.position(utf8.RuneCountInString(text[:at]))
		r.at(line, column, "this is not UTF-8; save the file as UTF-8")
		return nil, r.err()
	}
	r.root = parse(r, []byte(text))
	if r.root == nil {
		return nil, r.err()
	}
	c := defaults()
	c.whole = Block{src: r.src, node: r.root}
	d := &decoder{report: r, env: env}
	d.value(r.root, reflect.ValueOf(c).Elem(), field{key: "the config"})
	p := c.compile(r)
	if err := r.err(); err != nil {
		return c, err
	}
	c.policy = p
	return c, nil
}

// invalid is where the first byte stands that is not UTF-8, or -1. What such bytes
// were meant to be is a guess, and a wrong one would stand in answers to customers.
func invalid(text string) int {
	for i, r := range text {
		if _, size := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && size == 1 {
			return i
		}
	}
	return -1
}
