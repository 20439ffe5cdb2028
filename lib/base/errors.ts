import { constants } from 'node:os'
import type { CthelperErrorShape, ErrorCode } from '../../types/errors.js'

const nameByErrno = new Map<number, string>()
for (const [name, errno] of Object.entries(constants.errno)) if (!nameByErrno.has(errno)) nameByErrno.set(errno, name)
// Not in libuv's list, but ctnetlink and nfnetlink say them.
for (const [name, errno] of [
  ['ENOTSUPP', 524],
  ['EREMOTEIO', 121],
  ['EUSERS', 87],
  ['ENOTUNIQ', 76],
] as const) {
  if (!nameByErrno.has(errno)) nameByErrno.set(errno, name)
}
nameByErrno.set(95, 'EOPNOTSUPP')

/** The symbolic name of a positive errno, `EBUSY` for 16; `E123` when nobody has a name for it. */
export function errnoName(errno: number): string {
  return nameByErrno.get(errno) ?? `E${errno}`
}

export interface ErrorDetail {
  errno?: number
  kernelMessage?: string | undefined
  cause?: unknown
}

/** The one error class of the library. See types/errors.d.ts for the shape. */
export class CthelperError extends Error implements CthelperErrorShape {
  override readonly name = 'CthelperError'
  readonly code: ErrorCode
  readonly operation: string
  readonly errno?: number
  readonly errnoName?: string
  readonly kernelMessage?: string

  constructor(code: ErrorCode, operation: string, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.code = code
    this.operation = operation
    if (detail.errno !== undefined) {
      this.errno = detail.errno
      this.errnoName = errnoName(detail.errno)
    }
    if (detail.kernelMessage !== undefined) this.kernelMessage = detail.kernelMessage
  }
}

const unsupported = new Set(['EOPNOTSUPP', 'ENOTSUPP', 'EPROTONOSUPPORT', 'EAFNOSUPPORT'])

/** Builds the error for a kernel refusal of `operation`. `errno` is positive. */
export function kernelError(operation: string, errno: number, kernelMessage?: string): CthelperError {
  const name = errnoName(errno)
  const code: ErrorCode =
    name === 'EPERM' || name === 'EACCES' ? 'ERR_PERMISSION' : unsupported.has(name) ? 'ERR_UNSUPPORTED' : 'ERR_KERNEL'
  const said = kernelMessage ? `: ${kernelMessage}` : ''
  return new CthelperError(code, operation, `${operation}: ${name}${said}`, { errno, kernelMessage })
}
