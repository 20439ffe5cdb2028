/** docs/field.md: every file and every test that it names exists, and every row names one. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = readFileSync(join(root, 'docs/field.md'), 'utf8')

/** The cells of a table's row; the heads of tables and their rules are none. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| --- ') && !line.endsWith('| test |'))
  .map((line) => line.slice(2, -2).split(' | '))

/** Whether a test file says `name` as a string of its own. */
function names(file: string, name: string): boolean {
  const source = readFileSync(join(root, file), 'utf8').replaceAll("\\'", "'")
  return ["'", '"', '`'].some((quote) => source.includes(`${quote}${name}${quote}`))
}

t.ok(rows.length > 70, `${rows.length} rows`)
for (const row of rows) {
  const [scenario, , tests = ''] = row
  t.test(`${scenario}`, async (t) => {
    t.equal(row.length, 3, 'three cells')
    const groups = tests.split('; `').map((group) => /^`?([^`]+)`((?:,? "[^"]+")+)$/.exec(group))
    for (const group of groups) {
      if (!t.ok(group, `file and names in ${tests}`) || !group) continue
      const [, file, list] = group
      if (!t.ok(existsSync(join(root, file!)), `${file}`)) continue
      for (const [, name] of list!.matchAll(/"([^"]+)"/g)) t.ok(names(file!, name!), `${file}: ${name}`)
    }
  })
}
