/** The house's floors: imports only go down, never in a circle, and each dependency has one room. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What each room may import besides itself, types/ and node: built-ins. `.` is lib/index.ts, the library's door. */
const below: Readonly<Record<string, readonly string[]>> = {
  base: [],
  netlink: ['base'],
  packet: ['base'],
  sip: ['base'],
  sdp: ['base'],
  conntrack: ['base', 'netlink'],
  nfqueue: ['base', 'netlink', 'packet'],
  nftables: ['base', 'netlink'],
  proxy: ['base', 'netlink'],
  follow: ['base'],
  call: ['base', 'packet', 'sip', 'sdp'],
  alg: ['base', 'netlink', 'packet', 'sip', 'sdp', 'conntrack', 'nfqueue', 'nftables', 'proxy', 'follow', 'call'],
  metrics: ['base', 'alg'],
  cli: [
    'base',
    'netlink',
    'packet',
    'sip',
    'sdp',
    'conntrack',
    'nfqueue',
    'nftables',
    'proxy',
    'call',
    'alg',
    'metrics',
    '.',
    'testing',
  ],
  testing: ['base', 'netlink'],
  '.': ['base', 'conntrack', 'call', 'alg', 'metrics'],
}
const roomOfPackage: Readonly<Record<string, string>> = {
  netlink: 'netlink',
  'sdp-transform': 'sdp',
  'node-gyp-build': 'base',
}

const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
)
const roomOf = (file: string): string => dirname(file).split('/')[0]!
/** Static, re-exporting and dynamic imports, and the addon loader's require. */
const specifiers = (file: string): string[] =>
  ts
    .preProcessFile(readFileSync(join(root, 'lib', file), 'utf8'), true, true)
    .importedFiles.map(({ fileName }) => fileName)
const imports = sources.flatMap((file) => specifiers(file).map((specifier) => ({ file, specifier })))
/** lib-relative target of a relative import. */
const target = (file: string, specifier: string): string =>
  relative(join(root, 'lib'), join(root, 'lib', dirname(file), specifier)).replace(/\.js$/, '.ts')

t.test('every room has a floor', async (t) => {
  t.same(
    [...new Set(sources.map(roomOf))].filter((room) => !below[room]),
    [],
  )
  t.ok(imports.length > 100, `${imports.length} imports read`)
})

t.test('rooms import downwards only', async (t) => {
  const bad = imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ file, specifier }) => [file, target(file, specifier)] as const)
    .filter(([, to]) => !to.startsWith('../types/'))
    .filter(([file, to]) => roomOf(to) !== roomOf(file) && !below[roomOf(file)]?.includes(roomOf(to)))
  t.same(bad, [])
})

t.test('dependencies stay in their rooms', async (t) => {
  const bad = imports.filter(
    ({ file, specifier }) => !/^(\.|node:)/.test(specifier) && roomOfPackage[specifier.split('/')[0]!] !== roomOf(file),
  )
  t.same(bad, [])
})

t.test('no file imports itself by a detour', async (t) => {
  const targets = new Map(sources.map((file) => [file, specifiers(file).map((specifier) => target(file, specifier))]))
  const done = new Set<string>()
  const circles: string[][] = []
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file])
    else if (!done.has(file)) {
      for (const to of targets.get(file) ?? []) walk(to, [...path, file])
      done.add(file)
    }
  }
  for (const file of sources) walk(file, [])
  t.same(circles, [])
})
