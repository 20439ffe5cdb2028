/** What stands for what; the first stands once in the message. */
export type Change = readonly [string, string]

/** `text` with the changes made; throws where one is not to be found, or in two places. */
export function changed(text: string, changes: readonly Change[]): string {
  let result = text
  for (const [from, to] of changes) {
    const count = result.split(from).length - 1
    if (count !== 1) throw new Error(`${count} times ${from}`)
    result = result.replace(from, () => to)
  }
  return result
}
