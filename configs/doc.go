// Package configs reads the one YAML file of an installation: its schema, its
// defaults, its loader, and configs/example.yaml, the tested example that shows
// every key.
//
// In goes a file and a lookup of environment variables; out comes a [Config]
// with everything checked and its *desk.Policy compiled, or an *[Errors] that
// names everything wrong at once, each as FILE:LINE:COLUMN: plain words. A
// channel's own settings come out as a [Block], undecoded.
//
// It promises strictness: an unknown key, a wrong type, a value out of bounds,
// a name that leads nowhere, a double name, a calendar that never opens and a
// condition that does not compile are refused at their place. No bytes make it
// panic. [Parse] reads nothing but the given bytes, the variables and the files
// that file:PATH names. A Config is not safe for concurrent change; a Policy and
// a Block are never changed and may be shared.
//
// Secrets come only from ${NAME} and file:PATH, and print as dots.
//
// The file is YAML 1.2 (yaml.org/spec/1.2.2) in one document, without merge
// keys and tags. It is decoded by hand from the syntax tree, because a decoder
// stops at its first error.
//
// It may not know what a channel's settings are, nor the store, the queue or
// the network: it opens nothing.
//
// To add a setting: a field in schema.go, its default in default.go, its check
// in settings.go when the tags min, max and words do not say it, and its line in
// example.yaml; a test fails until it is there.
package configs
