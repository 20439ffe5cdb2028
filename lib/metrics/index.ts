/** A helper's status for Prometheus: the text, and a small endpoint that serves it. */
export { prometheus } from './prometheus.js'
export { type MetricsOptions, type MetricsServer, serveMetrics } from './server.js'
