package main

import (
	"net/http"
	"net/http/pprof"
)

// heapSample is how many bytes are allocated from one sample of the heap profile to
// the next. With Go's own half a megabyte the stacks of the samples take a hundredth
// of the processor time of a loaded server.
const heapSample = 4 << 20

// withPprof puts Go's profiles beside what a role answers, when server.pprof
// says so (net/http/pprof). They tell much and cost much: nobody else should
// reach them.
func (h *house) withPprof(rest http.Handler) http.Handler {
	if !h.config.First().Server.Pprof {
		return rest
	}
	mux := http.NewServeMux()
	mux.Handle("/", rest)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
