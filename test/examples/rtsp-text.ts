/** A message of RTSP, with the length of its body. */
export const text = (startLine: string, headers: readonly string[] = [], body = ''): string =>
  [startLine, ...headers, ...(body ? [`Content-Length: ${body.length}`] : []), '', body].join('\r\n')
