/** Factor on every waiting time of this room, from CTHELPER_TIME_SCALE: 1 by default, 10 and more under emulation. */
export const timeScale: number = readScale(process.env.CTHELPER_TIME_SCALE)

/** A positive number, or 1 for what is none. */
export function readScale(text: string | undefined): number {
  const value = Number(text)
  return Number.isFinite(value) && value > 0 ? value : 1
}

/** `milliseconds` on a machine of ordinary speed, stretched by `timeScale`. For limits, never for what is measured. */
export function scaled(milliseconds: number): number {
  return Math.ceil(milliseconds * timeScale)
}

/** Waits the stretched time; keeps the process alive meanwhile. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, scaled(milliseconds)))
}

/** Waits until `condition` holds, asking again and again; rejects when it does not in (stretched) `milliseconds`, default 5000. */
export async function until(condition: () => boolean | Promise<boolean>, milliseconds = 5000): Promise<void> {
  const end = performance.now() + scaled(milliseconds)
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not in ${milliseconds} ms: ${condition}`)
    await pause(20)
  }
}
