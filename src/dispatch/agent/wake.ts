/** A sleep that others may end. A call while nobody sleeps ends the next sleep at once. */
export class Wake {
  private called = false;
  private end: (() => void) | undefined;

  call(): void {
    this.called = true;
    this.end?.();
  }

  /** Sleeps until called, at most `ms`. */
  async sleep(ms: number): Promise<void> {
    if (!this.called) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.end = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.end = undefined;
    }
    this.called = false;
  }
}
