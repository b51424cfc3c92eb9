package http

import (
	"sync"

	metrics "github.com/hashicorp/go-metrics/compat"
	raftsink "github.com/hashicorp/go-metrics/compat/prometheus"
	"github.com/prometheus/client_golang/prometheus"
)

// raftSeries is where Raft's library leaves its own series. It knows one sink
// for a whole process, so members that share a process, as in roster dev, share
// it too.
var raftSeries = sync.OnceValue(func() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	sink, err := raftsink.NewPrometheusSinkFrom(raftsink.PrometheusOpts{Registerer: registry})
	if err != nil {
		panic("http: an empty registry refuses a collector: " + err.Error())
	}
	config := metrics.DefaultConfig("")
	config.EnableHostname, config.EnableRuntimeMetrics = false, false
	if _, err := metrics.NewGlobal(config, sink); err != nil {
		panic("http: Raft's metrics take no sink: " + err.Error())
	}
	return registry
})
