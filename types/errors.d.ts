/** What went wrong, as a literal to switch on. Kernel errno values keep their own name (`EEXIST`, `EBUSY` ...). */
export type ErrorCode =
  | 'ERR_KERNEL'
  | 'ERR_UNSUPPORTED'
  | 'ERR_PERMISSION'
  | 'ERR_CLOSED'
  | 'ERR_ARGUMENT'
  | 'ERR_CONFIG'
  | 'ERR_IN_USE'
  | 'ERR_ADDON'
  | 'ERR_TIMEOUT'

/** The one error shape of the library: thrown for misuse and failed kernel operations, never for packet content. */
export interface CthelperErrorShape extends Error {
  readonly code: ErrorCode
  /** What was attempted, in the kernel's words where there are some: `IPCTNL_MSG_EXP_NEW`, `bind queue 5060`. */
  readonly operation: string
  /** Positive errno, when the kernel gave one. */
  readonly errno?: number
  /** Its symbolic name: `EBUSY`. */
  readonly errnoName?: string
  /** The extended ACK's own sentence (`NLMSGERR_ATTR_MSG`), when the kernel gave one. */
  readonly kernelMessage?: string
}
