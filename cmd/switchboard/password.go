package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"switchboard/channels/inbox/gate"
	"switchboard/configs"
	"switchboard/pipeline/desk"
)

// passwordCmd makes the hash that stands for an operator's password in the
// config.
type passwordCmd struct{}

// Run reads the password from a terminal, twice and without showing it, or as
// the first line of standard input.
func (passwordCmd) Run(ctx context.Context, s streams) error {
	password, err := readPassword(ctx, s)
	if err != nil {
		return err
	}
	hash, err := gate.Hash(password)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, hash)
	return err
}

func readPassword(ctx context.Context, s streams) (string, error) {
	if f, ok := s.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		ask := func(what string) (string, error) {
			fmt.Fprint(s.err, what)
			b, err := hidden(ctx, int(f.Fd()))
			fmt.Fprintln(s.err)
			return string(b), err
		}
		first, err := ask("Password: ")
		if err != nil {
			return "", fmt.Errorf("password: %w", err)
		}
		second, err := ask("Once more: ")
		if err != nil {
			return "", fmt.Errorf("password: %w", err)
		}
		if first != second {
			return "", errors.New("password: the two are not the same")
		}
		return first, nil
	}
	line, err := bufio.NewReader(io.LimitReader(waits{ctx, s.in}, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// hidden reads a line from a terminal without showing it. When ctx ends first, the
// terminal is left as it was.
func hidden(ctx context.Context, fd int) ([]byte, error) {
	was, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type answer struct {
		line []byte
		err  error
	}
	said := make(chan answer, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		said <- answer{b, err}
	}()
	select {
	case a := <-said:
		return a.line, a.err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), term.Restore(fd, was))
	}
}

// checkOperators says which operators' passwords are no hashes, at their place. One
// without any was refused by the loader.
func checkOperators(c *configs.Config) error {
	var errs []error
	for i, o := range c.Operators.Accounts {
		if o.Password == "" {
			continue
		}
		if err := gate.CheckHash(o.Password.Reveal()); err != nil {
			errs = append(errs, desk.Invalidf(fmt.Sprintf("operators.accounts[%d].password", i), "%v", err))
		}
	}
	return c.Locate(errors.Join(errs...))
}
