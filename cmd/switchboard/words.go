package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"switchboard/pipeline/desk"
	"switchboard/workers/broker"
)

// inWords says what kind of trouble an error is, for answers that anybody may
// read: no address, no name, nothing of the error's own text. The log has that.
func inWords(err error) string {
	var network net.Error
	var pg *pgconn.PgError
	if said := ofRedis(err); said != "" {
		return said
	}
	switch {
	case errors.Is(err, broker.ErrNotRunning):
		return "no process runs the queue of this data folder now"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "no space is left"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return "may not be written"
	case errors.Is(err, fs.ErrNotExist):
		return "is not there"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, errHangs),
		errors.As(err, &network) && network.Timeout():
		return "no answer in time"
	case errors.As(err, &pg) && strings.HasPrefix(pg.Code, "28"), strings.Contains(err.Error(), "WRONGPASS"), strings.Contains(err.Error(), "NOAUTH"):
		return "refuses our password"
	case errors.Is(err, desk.ErrLeaseLost):
		return "is held by another process"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, desk.ErrUnavailable), network != nil:
		return "cannot be reached"
	}
	return "does not work; the log says why"
}

// takesNothing are the words for the answers of a Redis that answers, and takes nothing
// (redis.io, "Redis error replies"): by how they begin.
var takesNothing = map[string]string{
	"OOM":        "its memory is full (maxmemory), it takes nothing",
	"MISCONF":    "cannot write to its disk, it takes nothing",
	"READONLY":   "is a replica, it takes nothing",
	"NOREPLICAS": "has too few replicas (min-replicas-to-write), it takes nothing",
}

// ofRedis is what an answer of Redis means, "" for everything else.
func ofRedis(err error) string {
	var reply interface {
		error
		RedisError() // as go-redis marks them
	}
	if !errors.As(err, &reply) {
		return ""
	}
	kind, _, _ := strings.Cut(reply.Error(), " ")
	return takesNothing[kind]
}
