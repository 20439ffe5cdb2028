import { createServer, type Server } from 'node:http'
import type { HelperStatus } from '../../types/helper.js'
import { CthelperError } from '../base/errors.js'
import { prometheus } from './prometheus.js'

export interface MetricsOptions {
  readonly address: string
  /** 0: a free one, then found in `port`. */
  readonly port: number
  status(): HelperStatus
}

export interface MetricsServer {
  readonly port: number
  close(): Promise<void>
}

const MAX_CONNECTIONS = 16
const REQUEST_MS = 5000
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * Serves `GET /metrics`, and nothing else, without authentication: bind it to an address that only the collector reaches. Rejects with
 * ERR_IN_USE when the port is taken, ERR_CONFIG when the address is none of this machine's, ERR_PERMISSION.
 */
export async function serveMetrics({ address, port, status }: MetricsOptions): Promise<MetricsServer> {
  const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
    const isRight = request.url?.split('?')[0] === '/metrics'
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    const code = !isRight ? 404 : isRead ? 200 : 405
    const text = code === 200 ? prometheus(status()) : `${code === 404 ? 'not found: see /metrics' : 'only GET'}\n`
    response.writeHead(code, { 'content-type': code === 200 ? CONTENT_TYPE : 'text/plain' })
    response.end(request.method === 'HEAD' ? undefined : text)
  })
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, address, port)
  const bound = server.address()
  return {
    port: typeof bound === 'object' && bound ? bound.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const codes = { EADDRINUSE: 'ERR_IN_USE', EACCES: 'ERR_PERMISSION' } as const

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = codes[error.code as keyof typeof codes] ?? 'ERR_CONFIG'
      const why = code === 'ERR_IN_USE' ? 'the port is taken' : error.message
      reject(new CthelperError(code, 'serve metrics', `cannot serve metrics at ${address} port ${port}: ${why}`))
    })
    server.listen(port, address, () => resolve())
  })
}
