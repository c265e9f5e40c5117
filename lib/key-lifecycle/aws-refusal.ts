/**
 * Whether AWS refused a request. A refused request changed nothing. False if AWS gave no answer or
 * answered with a fault of its own: then the request may have taken effect. False too if the SDK
 * sent the request more than once, because only the last answer is known.
 */
export function isRefusedByAws(error: unknown): boolean {
  const { $metadata } = Object(error) as {
    readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
  };
  const { httpStatusCode = 0, attempts } = $metadata ?? {};
  return httpStatusCode >= 400 && httpStatusCode < 500 && attempts === 1;
}
