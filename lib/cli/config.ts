import { readFileSync } from 'node:fs'
import type { SipHelperOptions } from '../../types/options.js'
import { settingsOf } from '../alg/index.js'
import { CthelperError } from '../base/errors.js'
import { type Given, type OptionRow, textOf } from './command.js'
import { Failure, messageOf, systemCode, usage } from './failure.js'
import { type ConfigValue, DEFAULT_SOCKET, helperSettings, processSettings, type SettingRow } from './settings.table.js'

export interface ProcessOptions {
  readonly socket: string
  readonly log: 'text' | 'json'
  /** Path of the module with onMessage. */
  readonly script: string | undefined
  readonly metrics: { readonly address: string; readonly port: number } | undefined
}

export interface RunOptions {
  readonly helper: SipHelperOptions
  readonly process: ProcessOptions
}

export const configOption: OptionRow = {
  name: 'config',
  value: 'FILE',
  help: 'JSON of the options of SipHelper, with socket, log, script and metrics beside them. The command line wins over it.',
}

type Json = Record<string, unknown>

/**
 * What `run` shall do, from the configuration file and the command line. Throws `Failure` (2) that names the option, or the file
 * and the key in it, and (3) for a file that may not be read.
 */
export function runOptions(given: Given): RunOptions {
  const file = textOf(given, 'config')
  const config = file === undefined ? {} : readConfig(file)
  const rows = [...helperSettings, ...processSettings].filter(({ name }) => given.has(name))
  for (const row of rows) put(config, row.key, read(row, given))
  const where = (key: string) => {
    const row = rows.find((it) => it.key === key)
    if (row) return `--${row.name}`
    return file !== undefined && has(config, key) ? `${file}: key ${key}` : nameOf(key)
  }
  const { socket, log, metrics, script, ...helper } = config
  checkHelper(helper, where)
  return {
    helper: helper as unknown as SipHelperOptions,
    process: {
      socket: socketOf(socket, where),
      log: logOf(log, where),
      script: scriptOf(script, where),
      metrics: metrics === undefined ? undefined : addressOf(metrics, where),
    },
  }
}

function readConfig(file: string): Json {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const isDenied = systemCode(error) === 'EACCES'
    throw new Failure(isDenied ? 3 : 2, `--config: cannot read ${file}: ${messageOf(error)}`)
  }
  try {
    const config: unknown = JSON.parse(text)
    if (typeof config === 'object' && config !== null && !Array.isArray(config)) return config as Json
  } catch (error) {
    throw usage(`${file} is not JSON: ${messageOf(error)}`)
  }
  throw usage(`${file} must hold one JSON object, the options of SipHelper`)
}

function read(row: SettingRow, given: Given): ConfigValue {
  const text = given.get(row.name)!
  const value = row.read(text)
  const wanted = row.value === 'N' || row.value === 'SEC' ? 'a whole number' : row.value
  if (value === undefined) throw usage(`--${row.name}: ${JSON.stringify(String(text))} is not ${wanted}`)
  return value
}

/** Sets `media.ports` in `config`, whatever stood there. A group that is no object is left for the check to name. */
function put(config: Json, key: string, value: ConfigValue): void {
  const [group = '', name] = key.split('.')
  if (name === undefined) config[group] = value
  else if (config[group] === undefined) config[group] = { [name]: value }
  else if (typeof config[group] === 'object') config[group] = { ...config[group], [name]: value }
}

function has(config: Json, key: string): boolean {
  const [group = '', name] = key.split('.')
  const value = config[group]
  return name === undefined ? value !== undefined : typeof value === 'object' && value !== null && name in value
}

const nameOf = (key: string): string => {
  const row = helperSettings.find((it) => it.key === key)
  return row ? `--${row.name} (or ${key} in --config)` : key
}

/** `settingsOf` knows the rules; here its `option media.ports: why` becomes the place where the user wrote it. */
function checkHelper(helper: Json, where: (key: string) => string): void {
  try {
    settingsOf(helper as unknown as SipHelperOptions)
  } catch (error) {
    const key = error instanceof CthelperError ? /^option (.+)$/.exec(error.operation)?.[1] : undefined
    if (key === undefined) throw error
    throw usage(messageOf(error).replace(`option ${key}`, where(key)))
  }
}

function socketOf(value: unknown, where: (key: string) => string): string {
  if (value === undefined) return DEFAULT_SOCKET
  if (typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= MAX_SOCKET_PATH) return value
  throw usage(`${where('socket')}: must be a path of at most ${MAX_SOCKET_PATH} bytes`)
}

/** sun_path, its NUL left out. */
const MAX_SOCKET_PATH = 107

function logOf(value: unknown, where: (key: string) => string): 'text' | 'json' {
  if (value === undefined || value === 'text' || value === 'json') return value ?? 'text'
  throw usage(`${where('log')}: ${JSON.stringify(value)} is none of text, json`)
}

function scriptOf(value: unknown, where: (key: string) => string): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  throw usage(`${where('script')}: must be the path of a module`)
}

function addressOf(value: unknown, where: (key: string) => string): { address: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(String(value)) ?? []
  const address = bracketed ?? plain
  const port = Number(digits)
  if (address !== undefined && port <= 65535) return { address, port }
  throw usage(`${where('metrics')}: ${JSON.stringify(value)} is not ADDR:PORT, such as 127.0.0.1:9100 or [::1]:9100`)
}
