from timbreclip_eq import EQ, Param


class TrebleEQ(EQ):
    params = (Param("treble", -12.0, 12.0, unit="dB"),)

    def response(self, values, freqs_hz, sample_rate):
        octaves = (freqs_hz.clamp(min=20.0) / 1000.0).log2()
        return 10 ** (values["treble"][:, None] * (2 * octaves).sigmoid() / 20)
