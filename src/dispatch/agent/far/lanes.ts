/** Does `work` for 0 … count-1, `width` at once. The first failure ends it; what runs then is awaited. */
export async function inLanes(
  count: number,
  width: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < count && !failed) {
      try {
        await work(next++);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(width, count) }, lane));
  const first = ends.find((end) => end.status === "rejected");
  if (first !== undefined) throw first.reason;
}
