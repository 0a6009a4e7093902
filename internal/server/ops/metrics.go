package ops

import (
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics counts what happens. Labels are bounded: names of servers from the
// configuration, codes from the catalogue, methods of the protocol. Tools, keys
// and tenants are the audit trail's.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	changes  *prometheus.CounterVec

	series sync.Map // of request: what was resolved once need not be again
}

// request is what a request is counted by.
type request struct{ server, method, code string }

// series is where its count and duration go.
type series struct {
	count prometheus.Counter
	took  prometheus.Observer
}

// Number is asked for when it is wanted.
type Number struct {
	Name, Help string
	Labels     map[string]string
	Counter    bool // it only grows
	Value      func() float64
}

// NewMetrics returns the metrics of one process.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_requests_total", Help: "Requests by server, MCP method and outcome.",
		}, []string{"server", "method", "code"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatehouse_request_duration_seconds", Help: "Time until a request was answered; for streams, until they ended.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"server", "method"}),
	}
	m.changes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_tool_changes_total", Help: "Tools that a server came to describe in another way than was approved.",
	}, []string{"server"})
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gatehouse_build_info", Help: "1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": version, "go": goVersion()},
	})
	info.Set(1)
	m.registry.MustRegister(m.requests, m.took, m.changes, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func goVersion() string {
	if b, ok := debug.ReadBuildInfo(); ok {
		return b.GoVersion
	}
	return "unknown"
}

// Add publishes further numbers.
func (m *Metrics) Add(numbers ...Number) {
	for _, n := range numbers {
		if n.Counter {
			m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: n.Name, Help: n.Help, ConstLabels: n.Labels}, n.Value))
			continue
		}
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: n.Name, Help: n.Help, ConstLabels: n.Labels}, n.Value))
	}
}

// Serves has what is counted of a server be published before there is anything.
func (m *Metrics) Serves(server string) { m.changes.WithLabelValues(server).Add(0) }

// ToolChanged counts a tool that a server of the configuration has changed.
func (m *Metrics) ToolChanged(server string) { m.changes.WithLabelValues(server).Inc() }

// Request counts one request. Its arguments are labels: the caller sees to it
// that they are bounded.
func (m *Metrics) Request(server, method, code string, took time.Duration) {
	k := request{server, method, code}
	v, ok := m.series.Load(k)
	if !ok {
		v, _ = m.series.LoadOrStore(k, &series{m.requests.WithLabelValues(server, method, code), m.took.WithLabelValues(server, method)})
	}
	s := v.(*series) //nolint:forcetypeassert // nothing else is put in
	s.count.Inc()
	s.took.Observe(took.Seconds())
}
