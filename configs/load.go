package configs

import (
	"fmt"
	"os"
	"reflect"
	"strings"
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
	text = strings.ToValidUTF8(text, "\uFFFD")
	r := &report{src: newSource(name, text)}
	r.root = parse(r, []byte(text))
	if r.root == nil {
		return nil, r.err()
	}
	c := defaults()
	d := &decoder{report: r, env: env}
	d.value(r.root, reflect.ValueOf(c).Elem(), field{key: "the config"})
	p := c.compile(r)
	if err := r.err(); err != nil {
		return c, err
	}
	c.policy = p
	return c, nil
}
