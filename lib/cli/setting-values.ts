/** How the values of flags are read: undefined is what they are not. */

export type Given = string | true | readonly string[]

export const text = (given: Given): string | undefined => (typeof given === 'string' ? given : undefined)
export const number = (given: Given): number | undefined => wholeNumber(text(given))
export const list = (given: Given): readonly string[] | undefined => (Array.isArray(given) ? given : undefined)
export const isOn = (given: Given): true | undefined => given === true || undefined

function wholeNumber(given: string | undefined): number | undefined {
  return given !== undefined && /^\d{1,9}$/.test(given) ? Number(given) : undefined
}

/** Decimal, or hexadecimal as `ip rule` prints it. */
export function mark(given: Given): number | undefined {
  const value = text(given) ?? ''
  return /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(value) ? Number(value) : undefined
}

export function numbers(given: Given): readonly number[] | undefined {
  const values = list(given)?.map(wholeNumber)
  return values?.every((it): it is number => it !== undefined) ? values : undefined
}

export function portRange(given: Given): readonly number[] | undefined {
  const [, first, last] = /^(\d{1,5})-(\d{1,5})$/.exec(text(given) ?? '') ?? []
  return first && last ? [Number(first), Number(last)] : undefined
}

/** `registrar` and `any` are words of their own; anything else is a list of addresses. */
export function callers(given: Given): string | readonly string[] | undefined {
  const values = list(given)
  const [word] = values ?? []
  return values?.length === 1 && (word === 'registrar' || word === 'any') ? word : values
}
